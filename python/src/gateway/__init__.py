"""The gateway: one OpenAI-compatible address for several model servers (port 8200).

Read aloud: `serve` listens, `front` speaks HTTP with clients, `app` finds the endpoint, `relay` sends a request to an
upstream through `dial` and brings the answer home; `fleet` knows the upstreams, `discovery` asks them what they are.
"""
