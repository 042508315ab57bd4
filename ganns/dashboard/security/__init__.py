"""The instructor's login, and protection against foreign web pages.

    sessions.py    login sessions: random numbers on the server
    attempts.py    limits the number of wrong passwords, and of votes
    hosts.py       the names of the dashboard, and the origins that may send requests
    guard.py       the outermost layer: checks each request, and adds headers to each answer
    instructor.py  the checks of an order: session and token

Viewers need no login and get no cookie. The dashboard reads their data as a role that may not write. An instructor's
orders are plain POST requests, each with the session's cookie (SameSite=Strict), its CSRF token in a header, and an
Origin of the dashboard. None goes through NiceGUI's WebSocket, so an attacker who takes over that socket can show a
wrong page, but cannot give an order. This follows the OWASP cheat sheets on session management and on cross-site
request forgery.
"""
