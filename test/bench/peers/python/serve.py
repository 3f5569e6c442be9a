# The child's side of a measurement in Python; serve-rounds.ts says what a request and an answer are.
import json
import sys
import time

ANSWER_MARK = "@bench "


def serve(prepare, synchronise=lambda: None):
    """`prepare(task)` gives (run, find); `synchronise` waits for the device."""
    run = find = None

    def timed():
        synchronise()
        start, cpu = time.perf_counter(), time.process_time()
        run()
        synchronise()
        return {"ms": (time.perf_counter() - start) * 1e3, "cpuMs": (time.process_time() - cpu) * 1e3}

    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                run, find = prepare(request["task"])
                first_ms = timed()["ms"]
                answer = {"firstMs": first_ms, "found": find()}
            elif request["do"] == "round":
                answer = timed()
            else:
                run = find = None
                answer = {}
        except Exception as error:  # the table says what went wrong; the process goes on to the next task
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:300]}
        print(ANSWER_MARK + json.dumps(answer), flush=True)
