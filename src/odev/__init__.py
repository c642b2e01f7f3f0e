"""The course tool: the classroom's servers, the demo, the checks. It does not ship with safechat."""
