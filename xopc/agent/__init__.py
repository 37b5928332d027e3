"""Turns a message into an answer: models, tools and commands."""
