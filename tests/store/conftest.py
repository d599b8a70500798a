"""The stores' fixtures."""

from tests.store.stores import clock, keys, postgresql, store, store_url

__all__ = ["clock", "keys", "postgresql", "store", "store_url"]
