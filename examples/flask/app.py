"""A Flask application: `CMD ["app:app"]`, no handler and no adapter."""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/words")
def words():
    text = request.get_json()["text"]
    app.logger.warning("counting %d letters", len(text))
    return jsonify(words=len(text.split()), host=request.host)
