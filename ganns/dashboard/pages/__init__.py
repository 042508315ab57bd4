"""One module for each page; `register` serves it. `learn_text.py` has the texts of the Learn page."""
