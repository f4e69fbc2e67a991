"""Counts visits in a DynamoDB table. Where DynamoDB is, AWS_ENDPOINT_URL_DYNAMODB says; unset, it is AWS's."""

import os

import boto3

# At init: the client and its connections serve all invocations of this environment.
table = boto3.client("dynamodb")
TABLE = os.environ.get("TABLE", "visits")


def handler(event, context):
    answer = table.update_item(
        TableName=TABLE,
        Key={"page": {"S": event["page"]}},
        UpdateExpression="ADD visits :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    return {"page": event["page"], "visits": int(answer["Attributes"]["visits"]["N"])}
