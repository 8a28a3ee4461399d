"""Prints the ids of all messages of the queues that are given as arguments, as a JSON list for each queue.

The broker is at 127.0.0.1; its user and password are in BROKER_USER and BROKER_PASSWORD.
"""

import json
import os
import sys

import pika

credentials = pika.PlainCredentials(os.environ["BROKER_USER"], os.environ["BROKER_PASSWORD"])
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", credentials=credentials))
found = {}
for queue in sys.argv[1:]:
    channel = connection.channel()
    ids = []
    while True:
        method, properties, _ = channel.basic_get(queue, auto_ack=False)
        if method is None:
            break
        ids.append(properties.message_id)
    channel.close()
    found[queue] = ids
json.dump(found, sys.stdout)
