"""The Rasa side of the dialog service.  Runs in its own environment, on Python 3.10."""
