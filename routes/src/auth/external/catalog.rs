//! The providers that are known: where they are, and in which words they tell of a user.
//!
//! Source: supabase/auth, `internal/api/provider/*.go`.

use serde_json::Value;

/// A provider as it is known here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub name: &'static str,
    /// Where it is unless a setting says so; empty where only a setting can.
    pub base: &'static str,
    pub endpoints: Endpoints,
    /// What is asked for in any case.
    pub scopes: &'static [&'static str],
    /// Sent along when a user is sent there.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Whether the exchange is bound by a proof key of our own.
    pub needs_proof: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Endpoints {
    /// As the provider at the base describes itself; the user is in the ID token.
    Discovered,
    /// As Azure has them: the issuer is the user's tenant's.
    Azure,
    /// At these paths behind the base; `user` tells of the user in words of its own.
    Fixed {
        authorize: &'static str,
        token: &'static str,
        /// Behind `api` where that is not empty, else behind the base.
        user: &'static str,
        /// Another base for `user` and `emails`; not used where a setting gives the base.
        api: &'static str,
        /// What stands between the base of a setting and `user`.
        api_path: &'static str,
        /// A list of the user's addresses, where it is another question.
        emails: &'static str,
        words: Words,
    },
}

/// Where a provider's answer has what we want: JSON pointers, empty for nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub id: &'static str,
    pub name: &'static str,
    pub email: &'static str,
    pub verified: Verified,
    pub picture: &'static str,
    pub user_name: &'static str,
}

/// Whether the address is known to be the user's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verified {
    Always,
    Never,
    /// Where this is `true`.
    True(&'static str),
    /// Where this is there and not empty.
    Present(&'static str),
}

impl Verified {
    pub(super) fn holds(self, answer: &Value) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::True(pointer) => answer.pointer(pointer) == Some(&Value::Bool(true)),
            Self::Present(pointer) => answer
                .pointer(pointer)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty()),
        }
    }
}

/// The claims of OpenID Connect (section 5.1).
const OPENID: Words = Words {
    id: "/sub",
    name: "/name",
    email: "/email",
    verified: Verified::True("/email_verified"),
    picture: "/picture",
    user_name: "/preferred_username",
};

pub(super) const GOOGLE: &str = "https://accounts.google.com";
pub(super) const APPLE: &str = "https://appleid.apple.com";
pub(super) const FACEBOOK: &str = "https://www.facebook.com";
pub(super) const KAKAO: &str = "https://kauth.kakao.com";

const fn discovered(
    name: &'static str,
    issuer: &'static str,
    scopes: &'static [&'static str],
) -> Known {
    Known {
        name,
        base: issuer,
        endpoints: Endpoints::Discovered,
        scopes,
        parameters: &[],
        needs_proof: false,
    }
}

const fn fixed(
    name: &'static str,
    base: &'static str,
    scopes: &'static [&'static str],
    endpoints: Endpoints,
) -> Known {
    Known {
        name,
        base,
        endpoints,
        scopes,
        parameters: &[],
        needs_proof: false,
    }
}

const KNOWN: &[Known] = &[
    discovered("google", GOOGLE, &["email", "profile"]),
    Known {
        parameters: &[("response_mode", "form_post")],
        ..discovered("apple", APPLE, &["email", "name"])
    },
    discovered(
        "linkedin_oidc",
        "https://www.linkedin.com/oauth",
        &["openid", "email", "profile"],
    ),
    discovered(
        "slack_oidc",
        "https://slack.com",
        &["openid", "profile", "email"],
    ),
    fixed(
        "azure",
        "https://login.microsoftonline.com/common",
        &["openid"],
        Endpoints::Azure,
    ),
    fixed(
        "keycloak",
        "",
        &["profile", "email"],
        Endpoints::Fixed {
            authorize: "/protocol/openid-connect/auth",
            token: "/protocol/openid-connect/token",
            user: "/protocol/openid-connect/userinfo",
            api: "",
            api_path: "",
            emails: "",
            words: Words {
                picture: "",
                user_name: "",
                ..OPENID
            },
        },
    ),
    fixed(
        "github",
        "https://github.com",
        &["user:email"],
        Endpoints::Fixed {
            authorize: "/login/oauth/authorize",
            token: "/login/oauth/access_token",
            user: "/user",
            api: "https://api.github.com",
            api_path: "/api/v3",
            emails: "/user/emails",
            words: Words {
                id: "/id",
                name: "/name",
                email: "",
                verified: Verified::Never,
                picture: "/avatar_url",
                user_name: "/login",
            },
        },
    ),
    fixed(
        "gitlab",
        "https://gitlab.com",
        &["read_user"],
        Endpoints::Fixed {
            authorize: "/oauth/authorize",
            token: "/oauth/token",
            user: "/api/v4/user",
            api: "",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/name",
                email: "/email",
                verified: Verified::Present("/confirmed_at"),
                picture: "/avatar_url",
                user_name: "",
            },
        },
    ),
    fixed(
        "discord",
        "https://discord.com",
        &["email", "identify"],
        Endpoints::Fixed {
            authorize: "/api/oauth2/authorize",
            token: "/api/oauth2/token",
            user: "/api/users/@me",
            api: "",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/username",
                email: "/email",
                verified: Verified::True("/verified"),
                picture: "",
                user_name: "",
            },
        },
    ),
    fixed(
        "bitbucket",
        "https://bitbucket.org",
        &["account", "email"],
        Endpoints::Fixed {
            authorize: "/site/oauth2/authorize",
            token: "/site/oauth2/access_token",
            user: "/2.0/user",
            api: "https://api.bitbucket.org",
            api_path: "",
            emails: "/2.0/user/emails",
            words: Words {
                id: "/uuid",
                name: "/display_name",
                email: "",
                verified: Verified::Never,
                picture: "/links/avatar/href",
                user_name: "",
            },
        },
    ),
    fixed(
        "facebook",
        "https://www.facebook.com",
        &["email"],
        Endpoints::Fixed {
            authorize: "/dialog/oauth",
            token: "/oauth/access_token",
            user: "/me?fields=email,first_name,last_name,name,picture",
            api: "https://graph.facebook.com",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/name",
                email: "/email",
                verified: Verified::Always,
                picture: "/picture/data/url",
                user_name: "",
            },
        },
    ),
    fixed(
        "spotify",
        "https://accounts.spotify.com",
        &["user-read-email"],
        Endpoints::Fixed {
            authorize: "/authorize",
            token: "/api/token",
            user: "/v1/me",
            api: "https://api.spotify.com",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/display_name",
                email: "/email",
                // Spotify does not say, and does not check.
                verified: Verified::Never,
                picture: "/images/0/url",
                user_name: "",
            },
        },
    ),
    fixed(
        "kakao",
        KAKAO,
        &["account_email", "profile_image", "profile_nickname"],
        Endpoints::Fixed {
            authorize: "/oauth/authorize",
            token: "/oauth/token",
            user: "/v2/user/me",
            api: "https://kapi.kakao.com",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/kakao_account/profile/nickname",
                email: "/kakao_account/email",
                verified: Verified::True("/kakao_account/is_email_verified"),
                picture: "/kakao_account/profile/profile_image_url",
                user_name: "/kakao_account/profile/nickname",
            },
        },
    ),
    fixed(
        "figma",
        "https://www.figma.com",
        &["files:read"],
        Endpoints::Fixed {
            authorize: "/oauth",
            token: "/api/oauth/token",
            user: "/v1/me",
            api: "https://api.figma.com",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/handle",
                email: "/email",
                verified: Verified::Always,
                picture: "/img_url",
                user_name: "",
            },
        },
    ),
    fixed(
        "zoom",
        "https://zoom.us",
        &[],
        Endpoints::Fixed {
            authorize: "/oauth/authorize",
            token: "/oauth/token",
            user: "/v2/users/me",
            api: "https://api.zoom.us",
            api_path: "",
            emails: "",
            words: Words {
                id: "/id",
                name: "/display_name",
                email: "/email",
                verified: Verified::Present("/email"),
                picture: "/pic_url",
                user_name: "",
            },
        },
    ),
];

/// The provider of a name, whatever its case.
pub(super) fn known(name: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name))
}

/// Whether tokens of this issuer are Azure's: each tenant is one of its own.
pub(super) fn is_azure(issuer: &str) -> bool {
    let tenant = issuer
        .strip_prefix("https://login.microsoftonline.com/")
        .and_then(|rest| rest.trim_end_matches('/').strip_suffix("/v2.0"));
    tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}
