"""Powertools for AWS Lambda: `app.handler` answers HTTP events, `app.batch` takes messages from SQS."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

ORDERS = {"1": {"sku": "a1", "count": 2}}

logger = Logger(service="orders")
metrics = Metrics(namespace="shop", service="orders")
app = APIGatewayHttpResolver()
messages = BatchProcessor(EventType.SQS)


@app.get("/orders/<number>")
def order(number):
    if number not in ORDERS:
        raise NotFoundError(f"there is no order {number}")
    metrics.add_metric("OrdersRead", MetricUnit.Count, 1)
    logger.info("order read", number=number)
    return ORDERS[number]


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)


def take(record):
    count = record.json_body["count"]
    if count < 0:
        raise ValueError(f"a count of {count}")


@logger.inject_lambda_context
def batch(event, context):
    return process_partial_response(event, record_handler=take, processor=messages, context=context)
