"""Requests to AWS's services, as moto plays them with checked signatures, signed under a key in locked memory."""

from __future__ import annotations

import datetime as dt
import json
import warnings

import pytest

from securemem import SecretTextWarning, SecureBytes
from securemem.exceptions import WipedError

boto3 = pytest.importorskip("boto3", reason="the extra boto3 is not installed")
moto = pytest.importorskip("moto", reason="moto is not installed")

import botocore.auth  # noqa: E402 - it is there where boto3 is
import botocore.awsrequest  # noqa: E402 - the same
import botocore.credentials  # noqa: E402 - the same
import botocore.exceptions  # noqa: E402 - the same
import botocore.signers  # noqa: E402 - the same
from botocore.config import Config  # noqa: E402 - the same
from moto.core import set_initial_no_auth_action_count  # noqa: E402 - the same

from securemem.adapters.boto3 import SecretCredentials, SecretProvider, secret_session  # noqa: E402 - needs it

PLAIN = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up-too", "region_name": "eu-west-1"}
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No credentials or settings of the machine's."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def a_user():
    """A user of IAM who may do all, and whose key is checked from then on."""
    iam = boto3.client("iam", **PLAIN)
    iam.create_user(UserName="app")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="app", PolicyName="all", PolicyDocument=json.dumps(policy))
    return iam.create_access_key(UserName="app")["AccessKey"]


@moto.mock_aws
@set_initial_no_auth_action_count(3)
def test_requests_are_signed():
    """A service that checks signatures takes them; under another key it refuses; under a wiped one none is sent."""
    made = a_user()
    secret = SecureBytes.copy_of(made["SecretAccessKey"].encode())
    session = secret_session(made["AccessKeyId"], secret, region_name="eu-west-1")
    assert session.client("sts").get_caller_identity()["Arn"].endswith("user/app")
    store = session.client("s3")
    store.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    store.put_object(Bucket="bucket", Key="key", Body=b"body")
    assert store.get_object(Bucket="bucket", Key="key")["Body"].read() == b"body"
    wrong = secret_session(made["AccessKeyId"], SecureBytes.copy_of(SECRET.encode()), region_name="eu-west-1")
    with pytest.raises(botocore.exceptions.ClientError, match="signature"):
        wrong.client("sts").get_caller_identity()
    secret.wipe()
    with pytest.raises(WipedError):
        session.client("sts").get_caller_identity()


@pytest.fixture
def frozen(monkeypatch):
    """The same time for each signature."""
    now = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as botocore has it
    for module in (botocore.auth, botocore.signers):
        monkeypatch.setattr(module, "get_current_datetime", lambda **_: now)
    monkeypatch.setattr("time.time", lambda: 1767323045.0)


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("version", [None, "s3v4", "s3"])
@pytest.mark.parametrize("token", [None, "a-token"])
def test_signatures_are_botocores(version, token):
    """URLs and forms that are signed before they are used: those of a str, letter by letter."""
    ours = secret_session("id", SecureBytes.copy_of(SECRET.encode()), token, region_name="eu-west-1")
    theirs = boto3.Session("id", SECRET, token, region_name="eu-west-1")

    def made(session):
        client = session.client("s3", config=Config(signature_version=version) if version else None)
        url = client.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "a/key"}, 60)
        form = client.generate_presigned_post("bucket", "a/key", ExpiresIn=60)
        return url, form

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made(ours) == made(theirs)


@pytest.mark.usefixtures("frozen")
def test_str_works_beside():
    """The signers that replace botocore's sign under a str as those do."""
    SecretCredentials("id", SecureBytes.random(8))
    text = botocore.credentials.Credentials("id", SECRET).get_frozen_credentials()
    replaced = botocore.auth.AUTH_TYPE_MAPS["v4"]
    assert replaced is not botocore.auth.SigV4Auth
    headers = []
    for signer in (replaced, botocore.auth.SigV4Auth):
        request = botocore.awsrequest.AWSRequest("GET", "https://sts.amazonaws.com/")
        signer(text, "sts", "x").add_auth(request)
        headers.append(request.headers["Authorization"])
    assert headers[0] == headers[1]


def test_what_is_no_secret():
    """Text is refused; the provider gives what it was given; the control: botocore's own signer warns."""
    with pytest.raises(TypeError, match="SecureBytes"):
        secret_session("id", "text")
    credentials = SecretCredentials("id", SecureBytes.random(8), "token")
    assert SecretProvider(credentials).load() is credentials
    assert credentials.get_frozen_credentials().secret_key is credentials.secret_key
    request = botocore.awsrequest.AWSRequest("GET", "https://sts.amazonaws.com/")
    with pytest.raises(SecretTextWarning):
        botocore.auth.SigV4Auth(credentials.get_frozen_credentials(), "sts", "x").add_auth(request)
