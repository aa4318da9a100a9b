"""What PagerDuty's documents say of an event, written as a JSON schema of our own, with the lengths its OpenAPI leaves out."""

TEXT = {"type": "string", "minLength": 1}
LINK = {
    "type": "object",
    "required": ["href"],
    "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": {"type": "string"}},
    "additionalProperties": False,
}
PAYLOAD = {
    "type": "object",
    "required": ["summary", "severity", "source"],
    "properties": {
        "summary": {**TEXT, "maxLength": 1024},
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "source": TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
        "component": TEXT,
        "group": TEXT,
        "class": TEXT,
        "custom_details": {"type": "object"},
    },
    "additionalProperties": False,
}
KEYS = {
    "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
    "dedup_key": {**TEXT, "maxLength": 255},
    "client": TEXT,
    "client_url": {"type": "string", "pattern": "^https?://"},
    "links": {"type": "array", "items": LINK},
    "images": {"type": "array"},
}
EVENT = {
    "oneOf": [
        {
            "type": "object",
            "required": ["routing_key", "event_action", "payload"],
            "properties": {**KEYS, "event_action": {"const": "trigger"}, "payload": PAYLOAD},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "required": ["routing_key", "event_action", "dedup_key"],
            "properties": {**KEYS, "event_action": {"enum": ["acknowledge", "resolve"]}},
            "additionalProperties": False,
        },
    ]
}
MAX_BODY = 512 * 1024
