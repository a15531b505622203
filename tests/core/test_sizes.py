import pytest
from django.utils.translation import override

from core.sizes import format_size

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [
        (100 * MIB, "100\xa0MB", "100\xa0Mio"),
        (2 * MIB + MIB // 10, "2.1\xa0MB", "2,1\xa0Mio"),
        (10, "10\xa0bytes", "10\xa0octets"),
    ],
)
def test_sizes_have_no_empty_decimal(count, english, french):
    with override("en"):
        assert format_size(count) == english
    with override("fr"):
        assert format_size(count) == french
