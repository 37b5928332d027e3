"""`xopc update`: another version of xopc, and the way back."""
