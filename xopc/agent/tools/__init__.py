"""What a model can do besides talking: one module per tool."""
