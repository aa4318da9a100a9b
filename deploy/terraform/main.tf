# The stack of deploy/cloudformation/endpoint-monitor.yaml, for teams that plan and apply with Terraform.
#
# The template stays the one description of what runs in the account, so the two cannot differ. Every parameter of the template
# that has no default is a variable here; the others go into `parameters`.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "stack_name" {
  type        = string
  description = "Name of the CloudFormation stack"
}

variable "endpoint_name" {
  type        = string
  description = "Name of the SageMaker endpoint"
}

variable "capture_bucket" {
  type        = string
  description = "Bucket of the captured data"
}

variable "monitor_bucket" {
  type        = string
  description = "Bucket of monitor.toml, the baseline, reports and states"
}

variable "monitoring_image" {
  type        = string
  description = "Image of the monitoring job, by digest"
}

variable "notifier_bucket" {
  type        = string
  description = "Bucket of the notifier's zip"
}

variable "notifier_secret_arns" {
  type        = list(string)
  description = "Secrets Manager ARNs that monitor.toml names"
}

variable "parameters" {
  type        = map(string)
  default     = {}
  description = "Other parameters of the template, by name"
}

resource "aws_cloudformation_stack" "monitor" {
  name          = var.stack_name
  template_body = file("${path.module}/../cloudformation/endpoint-monitor.yaml")
  capabilities  = ["CAPABILITY_IAM"]

  parameters = merge(var.parameters, {
    EndpointName       = var.endpoint_name
    CaptureBucket      = var.capture_bucket
    MonitorBucket      = var.monitor_bucket
    MonitoringImage    = var.monitoring_image
    NotifierBucket     = var.notifier_bucket
    NotifierSecretArns = join(",", var.notifier_secret_arns)
  })
}

output "topic_arn" {
  value       = aws_cloudformation_stack.monitor.outputs["TopicArn"]
  description = "alarms.topic of monitor.toml"
}

output "queue_url" {
  value       = aws_cloudformation_stack.monitor.outputs["QueueUrl"]
  description = "notify.queue of monitor.toml, where the notifier runs as a process"
}
