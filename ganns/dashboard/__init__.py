"""`ganns dashboard`: a class watches its model learn, in the browser. Built on NiceGUI.

    server.py       puts it together and serves it
    dashboard.py    what its pages share: the watcher, connections that may only look, settings
    live.py         a WebSocket that carries what `ganns.monitor` has to say
    pictures.py     grids of samples over HTTP
    explained.py    what the Learn page says of each part of a round, and where that is in the code
    documents.py    the pages of `docs/`, where there is a checkout
    frame.py        what every page has: navigation, theme, a line when the database is away
    pages/          a page each
    components/     what moves on a page: a Vue component (JavaScript) with its NiceGUI element (Python)
    static/         the style sheet

A page is built once, by Python. What moves afterwards moves in the browser: the components take what they need from one
WebSocket. So ten watchers cost little more than one, and the server draws nothing.
"""
