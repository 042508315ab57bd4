"""`ganns dashboard`: a class watches its model learn, in the browser. Built on NiceGUI.

    server.py       assembles the dashboard and serves it
    context.py      shared by the pages: the watcher, and connections that may only read
    frame.py        the parts of every page: navigation, theme, a warning when the connection is lost
    join.py         how others join: a QR code, and commands with a button that copies them
    reach.py        where it listens, and the command that would let other machines in
    plain.py        pages without scripts, and the style sheet
    problems.py     the pages for errors
    policy.py       the Content-Security-Policy: the sources from which a browser loads a page
    documents.py    the pages of `docs/`, in a checkout
    pages/          one module for each page
    components/     the moving parts of a page: a Vue component (JavaScript) with its NiceGUI element (Python)
    api/            the WebSocket, the sample grids, and the instructor's orders
    security/       login, and protection against foreign web pages
    lab/            the failure lab
    phones/         a GAN that phones train in their browsers
    static/         the style sheet

Python builds a page once. Afterwards the browser updates it: the components take their data from one WebSocket. So ten
viewers cost little more than one, and the server draws nothing.
"""
