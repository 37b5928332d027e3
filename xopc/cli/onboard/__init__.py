"""`xopc onboard` and `xopc setup`: the first set-up, from nothing to a first answer."""
