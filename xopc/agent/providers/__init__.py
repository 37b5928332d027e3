"""Those who answer: one module per wire."""
