"""What AWS and botocore call what went wrong, and which fault each is: the table that `harness.aws.reading` reads by.

``docs/faults.md`` shows the same table to people; a test holds the two against each other.
"""

from collections.abc import Mapping

from harness.aws.faults import Fault, Misconfigured, NoCredentials, Unreachable

ABSENT_CODES = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "CacheClusterNotFound",
        "ClusterNotFoundException",
        "DBClusterNotFoundFault",
        "DBInstanceNotFound",
        "DBInstanceNotFoundFault",
        "DBParameterGroupNotFound",
        "DBSnapshotNotFound",
        "ImageNotFoundException",
        "LifecyclePolicyNotFoundException",
        "ListenerNotFound",
        "LoadBalancerNotFound",
        "NoSuchBucket",
        "NoSuchChange",
        "NoSuchEntity",
        "NoSuchHostedZone",
        "NoSuchKey",
        "NotFound",
        "NotFoundException",
        "ObjectNotFoundException",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "ReplicationGroupNotFoundFault",
        "RepositoryNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "RuleNotFound",
        "ScanNotFoundException",
        "ServiceNotFoundException",
        "TargetGroupNotFound",
    }
)
"""The thing that was asked about does not exist. ``404`` counts for S3's bodiless answers alone: anything on the way
may say 404."""

DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "KMS.AccessDeniedException",
        "NotAuthorizedException",
        "OptInRequired",
        "SubscriptionRequiredException",
        "UnauthorizedOperation",
    }
)
"""The identity may not ask this."""

SUBSCRIPTION_CODES = frozenset({"OptInRequired", "SubscriptionRequiredException"})
"""Those of `DENIED_CODES` that no policy mends: the account has not subscribed to the service, or to its plan."""

CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Who asks cannot be told, or not any more."""

REGION_CODES = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
"""The thing lives in another region than the one that was asked."""

THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Asked too fast, still after all retries: it says nothing about what was asked, so it is an error."""

IDENTITY_OPERATIONS = frozenset(
    {"AssumeRole", "AssumeRoleWithWebIdentity", "CreateToken", "GetRoleCredentials", "GetSessionToken"}
)
"""What botocore asks by itself to get credentials: a refusal there is about those, not about the question."""

FIX_CREDENTIALS = "log in again or renew the credentials; `aws sts get-caller-identity` must work"
FIX_CONFIGURATION = "correct the AWS_… variables, ~/.aws/config or the profile's [aws] table"
FIX_ROUTE = "check the network route, proxy and endpoint from the machine that runs the gate"
FIX_NAME = "correct the name in the profile: the API does not take such a one"

_CONFIGURED_WRONG = (
    "ConfigNotFound",
    "ConfigParseError",
    "InvalidConfigError",
    "InvalidDefaultsMode",
    "InvalidEndpointConfigurationError",
    "InvalidIMDSEndpointError",
    "InvalidIMDSEndpointModeError",
    "InvalidProxiesConfigError",
    "InvalidRegionError",
    "InvalidRetryConfigurationError",
    "InvalidSTSRegionalEndpointsConfigError",
    "NoRegionError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "UnknownCredentialError",
    "UnknownRegionError",
    "FileNotFoundError",
    "PermissionError",
    "ValueError",
)
_CREDENTIALS_BROKEN = (
    "CredentialRetrievalError",
    "LoginError",
    "MetadataRetrievalError",
    "NoAuthTokenError",
    "RefreshWithMFAUnsupportedError",
    "SSOError",
    "TokenRetrievalError",
    "UnknownTokenProviderError",
)
_NO_ANSWER = (
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "EndpointConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseParserError",
    "ResponseStreamingError",
    "SSLError",
    "KeyError",
    "UnicodeDecodeError",
)
EXCEPTIONS: Mapping[str, tuple[type[Fault], str]] = {
    "NoCredentialsError": (NoCredentials, "configure AWS credentials for this environment"),
    "MissingDependencyException": (Misconfigured, "install what its message names"),
    "ParamValidationError": (Misconfigured, FIX_NAME),
    **dict.fromkeys(_CONFIGURED_WRONG, (Misconfigured, FIX_CONFIGURATION)),
    **dict.fromkeys(_CREDENTIALS_BROKEN, (Misconfigured, FIX_CREDENTIALS)),
    **dict.fromkeys(_NO_ANSWER, (Unreachable, FIX_ROUTE)),
}
"""Exception class -> fault and hint. The most specific class of an error's ancestry counts, so a row stands for its
subclasses. Builtin errors count only when botocore itself raised them: the same class out of our own code is a bug,
and stays one."""
