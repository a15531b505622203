import pytest


@pytest.mark.django_db
def test_health_answers_when_database_does(client):
    response = client.get("/api/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert response["X-Request-Id"]
