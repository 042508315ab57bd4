"""A GAN on everybody's phone: `ganns dashboard --phones`. The browsers of a class learn to make points in the plane.

    network.py      the two small networks: first weights, a step of Adam, arrows. No input and output
    messages.py     what a phone may say
    coordinator.py  hands out units, closes rounds (`ganns.store.phones`)
    sockets.py      the WebSockets of phones and of the projector
    address.py      where a phone finds its page, and the QR code

The pages are in `pages/phones.py`, the scripts in `components/lib/phones/`: `gan.js` computes a unit.
"""
