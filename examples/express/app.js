'use strict'

const express = require('express')
const session = require('express-session')
const passport = require('passport')

const shop = require('./shop')
const { createStore } = require('./store')

// express-session's part of the agreement with Django: the same secrets, the same table.
function sessionMiddleware (config, store) {
  return session({
    secret: config.secrets,
    store,
    resave: false,
    saveUninitialized: false,
    ...config.sessionOptions,
    ...(config.peer && require('./peer').named(config.sessionOptions))
  })
}

function createApp (config) {
  const { store, query, close } = createStore(config)
  const app = express()
  app.disable('x-powered-by')
  app.use(express.json({ strict: false }), express.urlencoded({ extended: false }))
  // Before the session: the tests steer a request while its session is open.
  if (config.peer) app.use('/control', require('./peer').control(store))
  app.use(sessionMiddleware(config, store))
  // passport keeps the user's primary key under `passport.user`, which is what Django reads.
  passport.serializeUser((user, done) => done(null, user.id))
  passport.deserializeUser((id, done) => done(null, { id }))
  app.use(passport.session())
  if (config.peer) app.use(['/peer', '/app/peer'], require('./peer').peer())
  app.use(shop(config, query))
  return { app, store, close }
}

module.exports = { createApp }
