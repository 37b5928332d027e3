"""The installed versions of xopc: how one is made and tried, and which is in use."""
