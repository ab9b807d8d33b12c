"""The other side of every channel: a gateway process that reads channel files in reverse and misbehaves on request.

    read     side (a file with the opposite halves of its keys) · matching → reading: which operation a request is
    do       deeds · gateway: what calls ask for · telling: how deeds end and which notices tell it · timing · faults
    speak    wishing (conditions made to hold) · closing (opened parts sealed again) · signing → speaking; statements
    process  __main__ · files (the live release's, or a folder's) · state · app · control (`/_sandbox/…`)
    partner  signs a partner's requests, for the demo; keys
"""
