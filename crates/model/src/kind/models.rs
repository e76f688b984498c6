//! Keys of what hosts, serves and feeds language models, and of what else agents ask for content.

use super::{Kind, begins, kind, unmarked, whole};

pub(super) static KINDS: &[Kind] = &[
    kind(
        "anthropic_api_key",
        "Anthropic API key",
        &["ANTHROPIC_API_KEY", "CLAUDE_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
    )
    .looks(&[begins("sk-ant-api03-{b93}AA"), begins("sk-ant-oat01-{b93}AA"), begins("sk-ant-admin01-{b93}AA"), begins("sk-ant-{b99}AA")])
    .sent_in(&["authorization", "x-api-key"])
    .goes_to(&["api.anthropic.com"]),
    kind("openrouter_api_key", "OpenRouter API key", &["OPENROUTER_API_KEY"])
        .looks(&[begins("sk-or-v1-{h64}")])
        .goes_to(&["openrouter.ai"]),
    kind("openai_api_key", "OpenAI API key", &["OPENAI_API_KEY", "OPENAI_ADMIN_KEY"])
        .looks(&[
            begins("sk-proj-{b74}T3BlbkFJ{b74}"),
            begins("sk-svcacct-{b74}T3BlbkFJ{b74}"),
            begins("sk-admin-{b74}T3BlbkFJ{b74}"),
            begins("sk-{w20}T3BlbkFJ{w20}"),
        ])
        .goes_to(&["api.openai.com"]),
    kind("groq_api_key", "Groq API key", &["GROQ_API_KEY"]).looks(&[begins("gsk_{w52}")]).goes_to(&["api.groq.com"]),
    kind("google_api_key", "Google AI API key", &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"])
        .looks(&[begins("AIza{b35}")])
        .sent_in(&["x-goog-api-key"])
        .goes_to(&["generativelanguage.googleapis.com"]),
    kind("huggingface_token", "Hugging Face token", &["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_API_KEY"])
        .looks(&[begins("hf_{w34}")])
        .goes_to(&["huggingface.co", "router.huggingface.co"]),
    kind("mistral_api_key", "Mistral API key", &["MISTRAL_API_KEY"]).looks(&[unmarked("{w32}")]).goes_to(&["api.mistral.ai"]),
    kind("cohere_api_key", "Cohere API key", &["COHERE_API_KEY", "CO_API_KEY"])
        .looks(&[unmarked("{w40}")])
        .goes_to(&["api.cohere.com", "api.cohere.ai"]),
    kind("deepseek_api_key", "DeepSeek API key", &["DEEPSEEK_API_KEY"]).looks(&[whole("sk-{h32}")]).goes_to(&["api.deepseek.com"]),
    kind("moonshot_api_key", "Moonshot API key", &["MOONSHOT_API_KEY"])
        .looks(&[unmarked("sk-{w48}")])
        .goes_to(&["api.moonshot.ai", "api.moonshot.cn"]),
    kind("stability_api_key", "Stability AI API key", &["STABILITY_API_KEY"]).looks(&[unmarked("sk-{w48}")]).goes_to(&["api.stability.ai"]),
    kind("xai_api_key", "xAI API key", &["XAI_API_KEY"]).looks(&[begins("xai-{w80}")]).goes_to(&["api.x.ai"]),
    kind("perplexity_api_key", "Perplexity API key", &["PERPLEXITY_API_KEY", "PPLX_API_KEY"])
        .looks(&[begins("pplx-{w48}")])
        .goes_to(&["api.perplexity.ai"]),
    kind("together_api_key", "Together API key", &["TOGETHER_API_KEY"]).looks(&[begins("tgp_v1_{b43}")]).goes_to(&["api.together.xyz"]),
    kind("fireworks_api_key", "Fireworks API key", &["FIREWORKS_API_KEY"]).looks(&[whole("fw_{w24}")]).goes_to(&["api.fireworks.ai"]),
    kind("cerebras_api_key", "Cerebras API key", &["CEREBRAS_API_KEY"]).looks(&[whole("csk-{l48}")]).goes_to(&["api.cerebras.ai"]),
    kind("nvidia_api_key", "NVIDIA API key", &["NVIDIA_API_KEY"])
        .looks(&[begins("nvapi-{b64}")])
        .goes_to(&["integrate.api.nvidia.com", "ai.api.nvidia.com"]),
    kind("replicate_api_token", "Replicate API token", &["REPLICATE_API_TOKEN"])
        .looks(&[whole("r8_{w37}")])
        .goes_to(&["api.replicate.com"]),
    kind("fal_key", "fal key", &["FAL_KEY"]).goes_to(&["fal.run", "queue.fal.run"]),
    kind("elevenlabs_api_key", "ElevenLabs API key", &["ELEVENLABS_API_KEY", "XI_API_KEY"])
        .looks(&[whole("sk_{h48}")])
        .sent_in(&["xi-api-key"])
        .goes_to(&["api.elevenlabs.io"]),
    kind("assemblyai_api_key", "AssemblyAI API key", &["ASSEMBLYAI_API_KEY"]).looks(&[unmarked("{h32}")]).goes_to(&["api.assemblyai.com"]),
    kind("deepgram_api_key", "Deepgram API key", &["DEEPGRAM_API_KEY"]).looks(&[unmarked("{h40}")]).goes_to(&["api.deepgram.com"]),
    kind("voyage_api_key", "Voyage AI API key", &["VOYAGE_API_KEY"]).looks(&[whole("pa-{b43}")]).goes_to(&["api.voyageai.com"]),
    kind("jina_api_key", "Jina API key", &["JINA_API_KEY"]).looks(&[begins("jina_{b60}")]).goes_to(&[
        "api.jina.ai",
        "r.jina.ai",
        "s.jina.ai",
    ]),
    kind("tavily_api_key", "Tavily API key", &["TAVILY_API_KEY"])
        .looks(&[begins("tvly-dev-{w32}"), begins("tvly-{w32}")])
        .goes_to(&["api.tavily.com"]),
    kind("exa_api_key", "Exa API key", &["EXA_API_KEY"]).sent_in(&["x-api-key"]).goes_to(&["api.exa.ai"]),
    kind("firecrawl_api_key", "Firecrawl API key", &["FIRECRAWL_API_KEY"]).looks(&[whole("fc-{h32}")]).goes_to(&["api.firecrawl.dev"]),
    kind("brave_search_api_key", "Brave Search API key", &["BRAVE_API_KEY", "BRAVE_SEARCH_API_KEY"])
        .looks(&[whole("BSA{b28}")])
        .sent_in(&["x-subscription-token"])
        .goes_to(&["api.search.brave.com"]),
    kind("serpapi_api_key", "SerpApi API key", &["SERPAPI_API_KEY", "SERPAPI_KEY"])
        .looks(&[unmarked("{h64}")])
        .bound_by("--host serpapi.com --as query:api_key"),
    kind("pinecone_api_key", "Pinecone API key", &["PINECONE_API_KEY"])
        .looks(&[begins("pcsk_{w6}_{w63}")])
        .sent_in(&["api-key"])
        .goes_to(&["api.pinecone.io"]),
    kind("wandb_api_key", "Weights & Biases API key", &["WANDB_API_KEY"]).looks(&[unmarked("{h40}")]).goes_to(&["api.wandb.ai"]),
    kind("langsmith_api_key", "LangSmith API key", &["LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"])
        .looks(&[begins("lsv2_pt_{h32}_{h10}"), begins("lsv2_sk_{h32}_{h10}")])
        .sent_in(&["x-api-key"])
        .goes_to(&["api.smith.langchain.com", "eu.api.smith.langchain.com"]),
    kind("langfuse_secret_key", "Langfuse secret key", &["LANGFUSE_SECRET_KEY"])
        .looks(&[begins("sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}")])
        .goes_to(&["cloud.langfuse.com", "us.cloud.langfuse.com"]),
    kind("azure_openai_api_key", "Azure OpenAI API key", &["AZURE_OPENAI_API_KEY"])
        .looks(&[unmarked("{w84}")])
        .sent_in(&["api-key"])
        .bound_by("--host RESOURCE.openai.azure.com"),
    kind("apify_token", "Apify token", &["APIFY_TOKEN", "APIFY_API_TOKEN"]).looks(&[begins("apify_api_{w36}")]).goes_to(&["api.apify.com"]),
];
