"""Several invocations at once in one environment: `AWS_LAMBDA_MAX_CONCURRENCY`, AWS's Lambda Managed Instances.

Imported only where that variable is set. Arrows point down:

    supervisor          the process that was started: has workers, replaces those that end
    worker              a process that serves: one invocation at a time, or several
    tasks, threads      several in one process: coroutines on the event loop; functions, each on a thread
    loop_client         the Runtime API without blocking the event loop
    slot_client         the Runtime API for one slot: tries again, and says what the slot holds
    board               what workers let the supervisor know: shared memory
    current, output     which invocation it is that logs; whole lines; the stream that the platform gives
    settings, exits

https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-runtimes.html
"""
