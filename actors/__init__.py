"""Who handles what travels: actors, their supervisors, pipelines and sessions."""
