"""From a URL or a file to stored, embedded chunks, as durable jobs.

The folder is the pipeline: addresses, guard, fetch, robots, sitemap, frontier, reader (extract, chunk), embedding,
pipeline, jobs. `service.IngestService` is the door.
"""
