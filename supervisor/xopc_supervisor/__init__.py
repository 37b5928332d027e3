"""The supervisor of xopc: holds what must survive a crash of the gateway. Standard library only."""
