"""longtake inspect: what is in a run, as pictures, numbers and plots. Reads only; one clip at a time, whatever the film's length."""
