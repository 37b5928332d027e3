"""`xopc doctor`: looks at configuration, security, files, gateway and port, and says what to mend."""
