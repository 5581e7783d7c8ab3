"""Anchors that a society's board has signed: how a device whose trust has expired, or was attacked, is told where to begin.

    {"chain_id": "homewatt-1", "height": "81000", "hash": "5D1C…", "issued": "2026-11-21T09:00:00Z",
     "public_key": "02ab…", "signature": "…"}

The signature is ECDSA over P-256 with SHA-256, r and s of 32 bytes each with low s, over the lines of `signed_bytes`; the key
must be one that the device's configuration names. An anchor says nothing of whether the device is expired or attacked.
"""
