"""Telegram, over the HTTP Bot API (https://core.telegram.org/bots/api) and long polling."""
