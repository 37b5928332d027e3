"""The OpenAPI document of a set of operations, and what it is made of."""
