"""Prices of models that GiLo does not know: both or neither."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("llm", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelendpoint",
            name="input_price",
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=9, null=True),
        ),
        migrations.AddField(
            model_name="modelendpoint",
            name="output_price",
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=9, null=True),
        ),
        migrations.AddConstraint(
            model_name="modelendpoint",
            constraint=models.CheckConstraint(
                condition=Q(input_price__isnull=True, output_price__isnull=True)
                | Q(
                    input_price__isnull=False,
                    output_price__isnull=False,
                    input_price__range=(0, 10_000),
                    output_price__range=(0, 10_000),
                ),
                name="llm_endpoint_has_both_prices",
            ),
        ),
    ]
