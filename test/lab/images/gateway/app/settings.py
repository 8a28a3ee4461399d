"""What the gateway reads from its environment and from the version baked into its image."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def load():
    with open(os.environ.get("SOPHON_VERSION_FILE", os.path.join(HERE, "version.json")), encoding="utf-8") as file:
        version = json.load(file)
    env = os.environ
    return {
        "version": version["version"],
        "migrations": version["migrations"],
        "faults": version.get("faults", {}),
        "wreck": version.get("wreck", []),
        "data": env.get("SOPHON_DATA", "/data"),
        "provider": env.get("Database__Provider", "sqlite").lower(),
        "postgres": {
            "host": env.get("Database__Host", "postgres"),
            "port": int(env.get("Database__Port", "5432")),
            "dbname": env.get("Database__Name", "sophon"),
            "user": env.get("Database__Username", "sophon"),
            "password": env.get("Database__Password", ""),
        },
        "qdrant": {"url": env.get("Qdrant__Url", ""), "key": env.get("Qdrant__ApiKey", "")},
        "redis": {"host": env.get("Redis__Host", ""), "password": env.get("Redis__Password", "")},
        "rabbitmq": {
            "host": env.get("RabbitMq__Host", ""),
            "user": env.get("RabbitMq__Username", "sophon"),
            "password": env.get("RabbitMq__Password", ""),
        },
        "port": int(env.get("SOPHON_PORT", "8081")),
        "writers": env.get("LAB_WRITERS", "") == "1",
        "rate": float(env.get("LAB_WRITERS_RATE", "20")),
    }
