"""Modules of users, as the tests serve them."""

OBEDIENT = '''
"""Does what the request says."""
import json, logging, os, sys, threading, time
import prometheus_client

WIDGETS = prometheus_client.Counter("users_widgets", "A metric of the user's.")

def model_fn(model_dir):
    print("loading", model_dir)
    return {"factor": 2}

def predict_fn(features, model, context):
    order = features if isinstance(features, dict) else {}
    for text in order.get("print", []):
        print(text)
    if "count" in order:
        WIDGETS.inc(order["count"])
    if "stderr" in order:
        print(order["stderr"], file=sys.stderr)
    if "log" in order:
        logging.getLogger("user").warning(order["log"])
    if "write" in order:
        os.write(1, order["write"].encode())
    if "run" in order:
        import subprocess
        subprocess.run(order["run"], shell=True, check=False)
    if "thread" in order:
        thread = threading.Thread(target=print, args=(order["thread"],))
        thread.start()
        thread.join()
    if "sleep" in order:
        time.sleep(order["sleep"])
    if "headers" in order:
        for name, value in order["headers"].items():
            context.set_response_header(0, name, value)
    if "status" in order:
        context.set_response_status(order["status"], order.get("phrase", ""), 0)
    if "raise" in order:
        raise {"ValueError": ValueError, "SystemExit": SystemExit, "MemoryError": MemoryError}[order["raise"]]("a secret")
    if "kill" in order:
        os.kill(os.getpid(), order["kill"])
    if "bytes" in order:
        return "x" * order["bytes"]
    if "pid" in order:
        return os.getpid()
    return [model["factor"]] if order else [model["factor"] for _ in features]
'''

TINY = """
def model_fn(model_dir):
    return None

def predict_fn(features, model):
    return [1.0]
"""

SLOW = """
import time

def model_fn(model_dir):
    return None

def predict_fn(features, model):
    time.sleep(features["seconds"])
    return [features["n"]]
"""
