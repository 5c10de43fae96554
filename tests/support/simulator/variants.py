"""All broken variants, by name."""

from support.simulator import master_variants, minion_variants, source_variants
from support.simulator.breaking import ALL, Variant

__all__ = ["ALL", "Variant", "master_variants", "minion_variants", "source_variants"]
