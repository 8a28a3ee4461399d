"""Thin clients of the other stores; each is imported only when its store is configured."""

import http.client
import json
import urllib.parse


class Qdrant:
    """A kept-alive connection; one thread only."""

    def __init__(self, settings):
        self.settings = settings["qdrant"]
        self.connection = None

    def call(self, method, path, body=None):
        if self.connection is None:
            host = urllib.parse.urlsplit(self.settings["url"]).netloc
            self.connection = http.client.HTTPConnection(host, timeout=30)
        headers = {"api-key": self.settings["key"], "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, data, headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:200]!r}")
        return json.loads(content)["result"]


def redis_client(settings, db=0):
    import redis

    found = settings["redis"]
    return redis.Redis(host=found["host"], password=found["password"], db=db, socket_timeout=30)


def rabbit_connection(settings):
    import logging

    import pika

    logging.getLogger("pika").setLevel(logging.CRITICAL)
    found = settings["rabbitmq"]
    credentials = pika.PlainCredentials(found["user"], found["password"])
    parameters = pika.ConnectionParameters(host=found["host"], credentials=credentials, heartbeat=0)
    return pika.BlockingConnection(parameters)
