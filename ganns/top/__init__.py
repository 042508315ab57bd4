"""`ganns top`: the most important parts of the dashboard, for a terminal.

view.py      the newest messages of `ganns.monitor.topics`
words.py     states, events, numbers and curves as text
screen.py    the view as an object that rich prints, in the space of the terminal
terminal.py  the keys, and the loop that updates the screen
"""
