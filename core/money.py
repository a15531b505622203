"""Amounts of money as people read them, in the language that is active."""

from decimal import Decimal

from babel.core import Locale
from babel.numbers import format_currency, get_currency_precision
from django.utils.translation import get_language, to_locale


def format_minor(amount: int, currency: str, *, is_short: bool = False) -> str:
    """An amount in minor units: 2900, "usd" is "$29.00", or "29,00 $US" in French; short without cents that are 0."""
    code = currency.upper()
    units = Decimal(amount).scaleb(-get_currency_precision(code))
    if not is_short or units != units.to_integral_value():
        return format_currency(units, code, locale=current_locale())
    return _format(units, code, "")


def format_dollars(amount: Decimal) -> str:
    """US dollars that may be fractions of a cent: up to four digits below a dollar, else two."""
    if amount == 0 or abs(amount) >= 1:
        return format_currency(amount, "USD", locale=current_locale())
    return _format(amount, "USD", ".00##")


def format_mills(amount: int) -> str:
    """Thousandths of a dollar."""
    return format_dollars(Decimal(amount) / 1000)


def _format(amount: Decimal, code: str, fraction: str) -> str:
    pattern = current_locale().currency_formats["standard"].pattern.replace(".00", fraction)
    return format_currency(amount, code, format=pattern, locale=current_locale(), currency_digits=False)


def current_locale() -> Locale:
    """How the language that is active writes numbers."""
    return Locale.parse(to_locale(get_language() or "en"))
