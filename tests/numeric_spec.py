"""Feature specs of numeric fields."""

from typing import Any

from clickwright.schemas import strict_yaml
from clickwright.schemas.spec import FeatureSpec


def numeric_spec(features: dict[str, dict[str, Any]], **more: Any) -> FeatureSpec:
    """A spec with these numeric features, by name, and what else is given."""
    content = {
        "name": "shop",
        "labels": {"click": {}},
        "split": {"kind": "given"},
        "features": {
            name: {"kind": "numeric", "role": "context", **options}
            for name, options in features.items()
        },
        **more,
    }
    return strict_yaml.parse(FeatureSpec, content, "features.yaml")
