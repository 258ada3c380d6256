"""Who gains: effects in groups, at deciles and on poverty, and who passed whom."""

from evalkit.who_gains.gaining import who_gains

__all__ = ["who_gains"]
