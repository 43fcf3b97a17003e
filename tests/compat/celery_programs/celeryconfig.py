task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
timezone = "Europe/Oslo"
enable_utc = True
task_annotations = {"first.add": {"rate_limit": "1000/s"}}
