"""Who may do what, and what a foreign web page cannot do.

    sessions.py    who is logged in: a set of random numbers on the server
    attempts.py    how often a password may be tried
    hosts.py       under which names the dashboard answers; whose pages may talk to it
    guard.py       the outermost layer: looks at each request, and puts headers on each answer
    policy.py      what a browser may load into our pages (Content-Security-Policy)
    instructor.py  what a request must bring along to change anything

Viewers need no login and get no cookie. What they see is read as a role that may write nothing. An instructor's orders
are plain POST requests, each with the session's cookie (SameSite=Strict), its CSRF token in a header, and an Origin of
ours; none goes through NiceGUI's WebSocket, so whoever hijacks that can show somebody a wrong page, and order nothing.
Follows the OWASP cheat sheets on session management and on cross-site request forgery.
"""
