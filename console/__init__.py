"""People's rooms in a browser: orders, studio, releases, jobs, work orders, partners, access. zh-CN and English.

Its pages read the engine and call it; they decide nothing. Layout of this package:

    app.py, wsgi.py      the application and its process      access/   login, users and roles, audit trail
    pages/<room>.py      one module a room, with its views    queries/  what pages read, one module a subject
    drawing/             pictures drawn on the server (SVG)   room.py, listing.py, ui.py   what every page shares
    assets/, static/     the editor's sources; own CSS and JS translations/zh.po   every string in Chinese
"""
