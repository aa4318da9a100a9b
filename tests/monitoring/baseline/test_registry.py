"""A baseline is found by the model version that it belongs to, and a file that changed since is noticed."""

import json
import uuid

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.baseline.registration import add_to_version, create_version, digest_of_object, files_of
from monitoring.baseline.registry import digest_of, find_baseline, is_registered
from monitoring.errors import MonitoringError, UsageError
from monitoring.monitor import open_baseline

STATISTICS, CONSTRAINTS = b'{"features": []}', b'{"features": [], "monitoring_config": {}}'


@pytest.fixture
def bucket(aws):
    name = f"baselines-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def directory(bucket):
    for name, body in (("statistics.json", STATISTICS), ("constraints.json", CONSTRAINTS), ("units.arrow", b"units")):
        boto3.client("s3").put_object(Bucket=bucket, Key=f"b/{name}", Body=body)
    return f"s3://{bucket}/b"


@pytest.fixture
def group(aws):
    name = f"flights-{uuid.uuid4().hex[:8]}"
    boto3.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


def version(group, **request):
    return boto3.client("sagemaker").create_model_package(ModelPackageGroupName=group, **request)["ModelPackageArn"]


def test_a_version_that_is_created_holds_uris_digests_and_the_training_data(directory, group):
    files = files_of(directory, baseline_id="b-1", training_data="s3://train/a b.parquet", training_digest="sha256:ab")
    arn = create_version(files, group, ModelApprovalStatus="Approved", CustomerMetadataProperties={"team": "ranking"})
    described = boto3.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert described["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"] == {
        "ContentType": "application/json",
        "ContentDigest": digest_of(STATISTICS),
        "S3Uri": f"{directory}/statistics.json",
    }
    assert described["CustomerMetadataProperties"]["team"] == "ranking"
    found = find_baseline(f"model-package:{arn}")
    assert (found.source, found.directory, found.baseline_id) == ("DriftCheckBaselines", directory, "b-1")
    assert (found.training_data, found.training_digest) == ("s3://train/a b.parquet", "sha256:ab")
    assert {name: file.read() for name, file in found.files.items()} == {
        "statistics.json": STATISTICS, "constraints.json": CONSTRAINTS, "units.arrow": b"units",
    }  # fmt: skip


def test_a_version_that_exists_gets_our_keys_and_keeps_its_approval_and_its_own_keys(directory, group):
    arn = version(group, ModelApprovalStatus="Approved", CustomerMetadataProperties={"team": "ranking"})
    add_to_version(files_of(directory), arn)
    described = boto3.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "Approved"
    assert described["CustomerMetadataProperties"]["team"] == "ranking"
    found = find_baseline(arn)
    assert (found.source, found.directory) == ("CustomerMetadataProperties", directory)
    found.verify()


def test_registering_again_replaces_the_digests_of_the_old_baseline(bucket, directory, group):
    arn = version(group)
    add_to_version(files_of(directory), arn)
    boto3.client("s3").delete_object(Bucket=bucket, Key="b/units.arrow")
    boto3.client("s3").put_object(Bucket=bucket, Key="b/statistics.json", Body=b"{}")
    add_to_version(files_of(directory), arn)
    found = find_baseline(arn)
    assert sorted(found.files) == ["constraints.json", "statistics.json"]
    found.verify()


def test_model_quality_is_registered_too(bucket, directory, group):
    for name in ("statistics.json", "constraints.json"):
        boto3.client("s3").put_object(Bucket=bucket, Key=f"b/model_quality/{name}", Body=b"{}")
    arn = create_version(files_of(directory), group)
    quality = boto3.client("sagemaker").describe_model_package(ModelPackageName=arn)["DriftCheckBaselines"][
        "ModelQuality"
    ]
    assert quality["Constraints"]["S3Uri"] == f"{directory}/model_quality/constraints.json"


@pytest.mark.parametrize("name", ["statistics.json", "units.arrow"])
def test_a_file_that_was_overwritten_in_place_is_noticed(bucket, directory, group, name):
    arn = create_version(files_of(directory), group)
    boto3.client("s3").put_object(Bucket=bucket, Key=f"b/{name}", Body=b"other")
    with pytest.raises(MonitoringError, match=rf"b/{name} is not what was registered .*overwritten"):
        find_baseline(arn).verify()


def test_a_file_that_is_gone_is_named(bucket, directory, group):
    arn = create_version(files_of(directory), group)
    boto3.client("s3").delete_object(Bucket=bucket, Key="b/statistics.json")
    with pytest.raises(MonitoringError, match=r"b/statistics.json is registered as a baseline and is not there"):
        find_baseline(arn).verify()


def test_the_registrys_own_baseline_wins_over_metadata_of_another(bucket, directory, group):
    leaf = {"ContentType": "application/json", "S3Uri": f"s3://{bucket}/theirs/x.json"}
    arn = version(
        group,
        DriftCheckBaselines={"ModelDataQuality": {"Statistics": leaf, "Constraints": leaf}},
        CustomerMetadataProperties={"endpoint-capture:baseline": directory},
    )
    found = find_baseline(arn)
    assert (found.source, found.directory) == ("DriftCheckBaselines", "")
    assert found.files["statistics.json"].uri == f"s3://{bucket}/theirs/x.json"
    with pytest.raises(MonitoringError, match="was created with a baseline"):
        add_to_version(files_of(directory), arn)


def test_a_digest_in_capital_letters_is_the_same_digest(bucket, directory, group):
    leaf = {"ContentType": "application/json", "S3Uri": f"{directory}/statistics.json"}
    leaf["ContentDigest"] = digest_of(STATISTICS).upper().replace("SHA256", "Sha256")
    arn = version(group, DriftCheckBaselines={"ModelDataQuality": {"Statistics": leaf, "Constraints": leaf}})
    find_baseline(arn).verify()


def test_a_version_without_a_baseline_says_how_to_register_one(aws, group):
    with pytest.raises(MonitoringError, match=r"names no baseline.*--register"):
        find_baseline(version(group))


def test_a_version_that_does_not_exist_is_an_error_of_one_line(aws):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/none/1"
    with pytest.raises(MonitoringError, match=f"cannot read {arn} in the model registry"):
        find_baseline(f"model-package:{arn}")


def test_what_is_no_model_version_is_wrong_usage():
    assert is_registered("model-package:arn")
    assert not is_registered("s3://bucket/baseline")
    with pytest.raises(UsageError, match="is not a model version"):
        find_baseline("model-package:flights/3")


def test_a_directory_that_cannot_be_registered_is_wrong_usage(bucket, tmp_path):
    with pytest.raises(UsageError, match="in S3 only"):
        files_of(str(tmp_path))
    with pytest.raises(UsageError, match=r"has no statistics.json"):
        files_of(f"s3://{bucket}/empty")


def test_a_value_that_the_registry_cannot_hold_is_named(directory, group):
    files = files_of(directory, training_data="s3://train/" + "x" * 300)
    with pytest.raises(UsageError, match="at most 256 letters"):
        create_version(files, group)


def test_a_baseline_is_made_registered_and_found_again_by_its_model(bucket, group, tmp_path, capsys):
    pq.write_table(pa.table({"wind": [float(number % 9) for number in range(400)]}), tmp_path / "train.parquet")
    flags = ["--data", str(tmp_path / "train.parquet"), "--output", f"s3://{bucket}/made", "--json"]
    assert main(["baseline", *flags, "--register", group]) == 0
    arn = json.loads(capsys.readouterr().out)["model_package"]
    assert open_baseline(f"model-package:{arn}").units.requests == 400
    exists = version(group)
    assert main(["baseline", *flags, "--register", f"model-package:{exists}"]) == 0
    assert find_baseline(exists).source == "CustomerMetadataProperties"
    found = find_baseline(exists)
    assert found.training_data == str(tmp_path / "train.parquet")
    assert found.training_digest == digest_of((tmp_path / "train.parquet").read_bytes())
    assert digest_of_object(str(tmp_path)) == ""


def test_a_baseline_on_a_local_disk_cannot_be_registered(group, tmp_path, capsys):
    pq.write_table(pa.table({"wind": [float(number % 9) for number in range(400)]}), tmp_path / "train.parquet")
    flags = ["--data", str(tmp_path / "train.parquet"), "--output", str(tmp_path / "made"), "--register", group]
    assert main(["baseline", *flags]) == 2
    assert "in S3 only" in capsys.readouterr().err
