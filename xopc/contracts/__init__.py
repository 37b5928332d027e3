"""What crosses a boundary, as frozen values: errors, settings, the API. Imports nothing of xopc."""
