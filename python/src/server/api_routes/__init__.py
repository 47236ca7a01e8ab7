"""The routes: one file per noun, each thin over a room."""

from . import (
    agent_chat,
    chat,
    code_examples,
    connections,
    conversations,
    credentials,
    health,
    inference,
    knowledge,
    operation,
    pages,
    preview,
    progress,
    providers,
    rag,
    session,
    settings,
    work,
)

# In this order: /api/knowledge-items/search must not be taken for an item's id.
ROUTERS = (
    health.router,
    inference.router,
    session.router,
    settings.router,
    credentials.router,
    providers.router,
    connections.router,
    rag.router,
    code_examples.router,
    preview.router,
    work.router,
    progress.router,
    knowledge.router,
    pages.router,
    chat.router,
    agent_chat.router,
    conversations.router,
    operation.router,
)
